"""What travels: request, reply, event and error shapes of every face. Worker and server meet here and nowhere else."""
