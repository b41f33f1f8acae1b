"""Where arithmetic happens: everything above this package knows no device.

`interface` says what a backend offers, `cpu` and `cuda` offer it, and `choose` picks one.
"""
