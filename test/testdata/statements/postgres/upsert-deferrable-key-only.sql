with v ("customer", "id") as materialized (
  select v.c1, v.c2
  from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2) as v
)
insert into "public"."orders" as t ("customer", "id")
select "customer", "id" from v
where not exists (select from "public"."orders" as t where t."id" = v."id" and t."customer" = v."customer")
