"""What an environment on AWS costs: dated list prices by region, and where newer ones come from."""
