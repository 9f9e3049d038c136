"""A fleet of workers over a day, simulated from measured figures: backlog, latency, cost, and the first limit met."""
