"""What an environment on AWS costs: dated list prices by region, and how they are updated."""
