-- One value: whether other processes used so much of all cores that they were measured, too; null where nobody knows.
create macro is_busy(other_cpu) as other_cpu > $busy
