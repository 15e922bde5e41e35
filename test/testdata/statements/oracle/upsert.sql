merge into "SHOP"."ORDERS" t
using (select :1 as c1, :2 as c2, :3 as c3, :4 as c4, :5 as c5, :6 as c6 from dual) v
on (t."ID" = to_number(v.c2) and t."CUSTOMER" = v.c1)
when matched then update set
  t."TOTAL" = to_number(v.c3),
  t."CODE" = v.c4,
  t."SERIAL" = to_number(v.c5),
  t."PARENT" = to_number(v.c6)
when not matched then insert ("CUSTOMER", "ID", "TOTAL", "CODE", "SERIAL", "PARENT")
values (v.c1, to_number(v.c2), to_number(v.c3), v.c4, to_number(v.c5), to_number(v.c6))
