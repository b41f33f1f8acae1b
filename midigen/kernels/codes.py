"""Numbers that both backends agree on."""

LINEAR, TANH, SIGMOID, SOFTPLUS, LEAKY = range(5)  # activations
LEAK = 0.01  # slope of LEAKY below 0

# columns of RTRL's plan, int64 (L, 6): units of a layer (of the last one R) and of the one below;
# where its parameters, its activation codes, its part of a frame's `inputs` and its columns of J
# begin
UNITS, BELOW, PARAMS, CODES, INPUTS, COLUMNS = range(6)

# of a product of (1 + p (e^w - 1)) between two logarithms: float64 cannot overflow for |w| < 22
FACTORS = 32
# deviations past the outermost means where the integral over one unit ends: 1e-12 of its mass is
# beyond
TAIL = 7.0
OVERFLOW = 700.0  # logarithm of the largest product that float64 holds, nearly
CORRUPT = 1 << 30  # sweep number of the input noise, far above those of any Gibbs chain
# of annealing in one call, which multiplies their ratios: |W v| < 22 temperatures stays in float64
MOST_MOVES = 32
SHIFT_BITS = 8  # of a frame's place that hold its transposition, see midigen.kernels.cpu.rolls
MOST_ON = 8  # of a group of which more than one may be on: a GPU's thread counts in registers
