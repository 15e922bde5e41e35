delete from only "public"."Every ""Thing""" as t
using unnest($1::"ext"."citext"[]) as v (c1)
where t."id" operator(ext.=) v.c1
