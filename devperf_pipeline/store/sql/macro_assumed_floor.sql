-- One value: how many times as long a run may take as another of an unchanged stack, until repeats of the machine tell it.
create macro assumed_floor() as 1.5
