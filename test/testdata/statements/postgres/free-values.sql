with v ("customer", "id", "code") as materialized (
  select v.c1, v.c2, v.c3
  from (select unnest($1::pg_catalog.text[]) as c1, unnest($2::pg_catalog.int8[]) as c2, unnest($3::pg_catalog.bpchar[]) as c3) as v
)
update "public"."orders" as t
set "code" = v."code"
from v where t."id" = v."id" and t."customer" = v."customer" and (t."code" is distinct from v."code")
and not exists (select from "public"."orders" as o where o."code" = v."code" and o."total" = t."total" and not (t."id" = o."id" and t."customer" = o."customer"))
and not exists (select from "public"."orders" as o where o."customer" = v."customer" and o."code" = v."code" and not (t."id" = o."id" and t."customer" = o."customer"))
and (v."id" is null or v."code" is null or exists (select from "public"."orders" as p where p."id" = v."id" and p."customer" = v."code"))
