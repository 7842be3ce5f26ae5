-- One value is the kind of a service, which its name says: it is the kind, or the kind followed by _name. Null where nobody knows it.
create macro kind_of(service) as nullif(regexp_extract(service, '^($kinds)(_.+)?$', 1), '')
