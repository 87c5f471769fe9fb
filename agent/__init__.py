"""The conversation: one call, one turn, the decisions and the engines behind them."""
