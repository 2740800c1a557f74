"""The weakly supervised study (the paper's section 5.2)."""
