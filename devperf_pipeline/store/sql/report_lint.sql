-- One row is one contradiction, those of publications first.
select source, place, rule, expected::double as expected, found::double as found, sentence
from lint
order by starts_with(source, 'published ') desc, source, rule, place
