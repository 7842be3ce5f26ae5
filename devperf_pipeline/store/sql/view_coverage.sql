-- One row is one cell of a published baseline, and what the newest baseline measured in its place, or why it did not.
create view coverage as
from coverage_of((select max(baseline_id) from baselines))
