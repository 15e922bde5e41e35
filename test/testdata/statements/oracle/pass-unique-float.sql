merge into "SHOP"."Every Thing" t
using (
  select j.c1, j.c2
  from (select :1 as rows_text from dual) d,
    json_table(d.rows_text, '$[*]' error on error columns (c1 varchar2(4000) path '$[0]', c2 varchar2(4000) path '$[1]')) j
) v
on (t."id" = hextoraw(v.c1))
when matched then update set
  t."c:0 float" = to_binary_double(v.c2)
where decode(t."c:0 float", to_binary_double(v.c2), 1, 0) = 0
