-- One row is one benchmark that a reference tool measured beside our own engine.
select * from agreements where baseline_id = $baseline_id order by service, operation, users, tool
