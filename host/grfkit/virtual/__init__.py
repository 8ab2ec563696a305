"""An insole without hardware: what it measures, computes and sends, and its link."""
