"""Speech and language: ports that the server asks, and the implementations behind them."""
