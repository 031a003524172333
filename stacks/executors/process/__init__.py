"""Operations as processes on this machine."""
