echo built > built.txt
