-- One row is one table and how many rows it has.
select 'baselines' as name, count(*) as n from baselines
union all
select 'infrastructure', count(*) from infrastructure
union all
select 'services', count(*) from services
union all
select 'answers', count(*) from answers
union all
select 'rounds', count(*) from rounds
union all
select 'percentiles', count(*) from percentiles
union all
select 'load_tests', count(*) from load_tests
union all
select 'knees', count(*) from knees
union all
select 'stated', count(*) from stated
union all
select 'resources', count(*) from resources
union all
select 'memory_per_request', count(*) from memory_per_request
