"""What an insole computes, in whole numbers: the Python twins of the C runtime, and the compiler that proves it."""
