"""The virtual insole: what it measures, computes and sends, and its link."""
