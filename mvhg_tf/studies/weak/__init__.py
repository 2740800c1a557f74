"""The weakly supervised study (the paper's section 5.2): jobs, scores and report."""
