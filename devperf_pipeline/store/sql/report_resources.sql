-- One row is what one service used in one phase, idle or under one load.
select * from resources where baseline_id = $baseline_id order by category, service, phase, users
