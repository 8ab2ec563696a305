"""From a trained model to an int8 file that is proven equal to it."""
