"""Numbers that both backends agree on."""

LINEAR, TANH, SIGMOID, SOFTPLUS, LEAKY = range(5)  # activations
LEAK = 0.01
UNITS, BELOW, PARAMS, CODES, INPUTS, COLUMNS = range(6)  # of RTRL's plan: INPUTS counts numbers a frame, others numbers
CORRUPT = 1 << 30  # sweep number of the input noise, far above those of any Gibbs chain
MOST_MOVES = 32  # of annealing in one call, which multiplies up their ratios: |W v| < 22 temperatures stays in float64
