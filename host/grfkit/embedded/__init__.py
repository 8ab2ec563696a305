"""The computations of an insole in integers: the Python twins of the C runtime, and the compiler that proves them
equal."""
