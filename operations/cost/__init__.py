"""What Airdate costs on AWS: a model of its requests, their prices, and ``airdate cost``."""
