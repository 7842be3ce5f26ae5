-- One row is one cell of a published baseline, and what the newest baseline measured in its place, or why it did not.
-- Results that were imported are no baseline that was measured here.
create view coverage as
from coverage_of((select max(baseline_id) from baselines where stack <> 'imported'))
