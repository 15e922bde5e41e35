merge into "SHOP"."ORDERS" t
using (
  select s.rowid as place, j.c1, j.c2
  from "SHOP"."ORDERS" s,
    (select :1 as rows_text from dual) d,
    json_table(d.rows_text, '$[*]' error on error columns (c1 varchar2(4000) path '$[0]', c2 varchar2(4000) path '$[1]', c3 varchar2(4000) path '$[2]', c4 varchar2(4000) path '$[3]')) j
  where s."ID" = to_number(j.c3) and s."CUSTOMER" = j.c4
) v
on (t.rowid = v.place)
when matched then update set t."ID" = to_number(v.c1), t."CUSTOMER" = v.c2
