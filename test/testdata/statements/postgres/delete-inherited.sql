delete from only "public"."Every ""Thing""" as t
where t."id" operator(ext.=) any ($1::"ext"."citext"[])
