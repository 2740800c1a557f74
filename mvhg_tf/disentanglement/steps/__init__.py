"""What is done with a model, step after step; the programs run these.

It is trained, exported, post-processed, evaluated and drawn, and results are collected.
"""
