"""The network, the RBM and the RNN-RBM as NumPy-facing objects over the kernels."""
