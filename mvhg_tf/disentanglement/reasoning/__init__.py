"""Abstract visual reasoning, with which disentanglement_lib scores representations.

After van Steenkiste et al. (2019), "Are Disentangled Representations Helpful for
Abstract Visual Reasoning?", https://arxiv.org/abs/1905.12506.
"""
