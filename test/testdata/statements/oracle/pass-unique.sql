merge into "SHOP"."ORDERS" t
using (
  select j.c1, j.c2, j.c3, j.c4
  from (select :1 as rows_text from dual) d,
    json_table(d.rows_text, '$[*]' error on error columns (c1 varchar2(4000) path '$[0]', c2 varchar2(4000) path '$[1]', c3 varchar2(4000) path '$[2]', c4 varchar2(4000) path '$[3]')) j
) v
on (t."ID" = to_number(v.c1) and t."CUSTOMER" = v.c2)
when matched then update set
  t."CODE" = v.c3,
  t."PARENT" = to_number(v.c4)
where decode(t."CODE", v.c3, 1, 0) = 0 or decode(t."PARENT", to_number(v.c4), 1, 0) = 0
