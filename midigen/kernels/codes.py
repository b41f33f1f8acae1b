"""Numbers that both backends agree on."""

LINEAR, TANH, SIGMOID, SOFTPLUS, LEAKY = range(5)  # activations
LEAK = 0.01
UNITS, BELOW, PARAMS, CODES, INPUTS, COLUMNS = range(
    6
)  # of RTRL's plan: INPUTS counts numbers a frame, others numbers
FACTORS = 32  # of a product of (1 + p (e^w - 1)) between two logarithms: float64 cannot overflow for |w| < 22
TAIL = 7.0  # deviations past the outermost means where the integral over one unit ends: 1e-12 of its mass is beyond
OVERFLOW = 700.0  # log of the largest product that float64 holds, nearly
CORRUPT = 1 << 30  # sweep number of the input noise, far above those of any Gibbs chain
MOST_MOVES = 32  # of annealing in one call, which multiplies up their ratios: |W v| < 22 temperatures stays in float64
SHIFT_BITS = 8  # of the place of a frame that hold its transposition: see midigen.kernels.cpu.rolls
