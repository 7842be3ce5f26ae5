-- One row is one fact of the host that is watched, and what another value of it means for figures.
create table host_facts as
select unnest($keys) as key, unnest($effects) as effect
