"""What runs inside Airflow, next to the repository's code. Standard library and Airflow only, nothing of Eph."""
