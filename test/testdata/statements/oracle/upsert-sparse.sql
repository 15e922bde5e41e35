merge into "SHOP"."ORDERS" t
using (select :1 as c1, :2 as c2, :3 as c3 from dual) v
on (t."ID" = to_number(v.c2) and t."CUSTOMER" = v.c1)
when matched then update set
  t."TOTAL" = to_number(v.c3)
when not matched then insert ("CUSTOMER", "ID", "TOTAL")
values (v.c1, to_number(v.c2), to_number(v.c3))
