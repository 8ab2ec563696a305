"""What an insole computes, in integers: the Python twins of the C runtime, and the compiler that proves them equal."""
