"""The clustering study (the paper's section 5.3): its jobs, scores and report."""
