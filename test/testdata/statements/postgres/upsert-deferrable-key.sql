with v ("customer", "id", "total") as materialized (
  select v.c1, v.c2, v.c3
  from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.numeric[]) as c3) as v
),
updated as (
  update "public"."orders" as t set
    "total" = v."total",
    "code" = default
  from v where t."id" = v."id" and t."customer" = v."customer"
)
insert into "public"."orders" as t ("customer", "id", "total")
select "customer", "id", "total" from v
where not exists (select from "public"."orders" as t where t."id" = v."id" and t."customer" = v."customer")
