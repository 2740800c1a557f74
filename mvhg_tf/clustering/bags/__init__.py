"""Learning from label proportions: bags of samples whose class counts are known."""
