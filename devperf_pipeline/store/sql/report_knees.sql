-- One row is one sustained operation: from how many users on more of them only wait longer.
select * from knees where baseline_id = $baseline_id order by service, operation
