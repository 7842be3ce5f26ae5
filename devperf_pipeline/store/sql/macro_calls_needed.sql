-- One value: from how many calls on a 95 % interval of a percentile exists: the first n for which share ^ n is below $outside.
create macro calls_needed(share) as ceil(ln($outside) / ln(share))::bigint
