-- Parent and children in one transaction, later versions, and deletes.
with c as (
  insert into customer (name) values ('customer ' || (random() * 1000)::int8) returning id
)
insert into purchase (customer_id, amount, note)
select c.id, (random() * 10000)::numeric(12, 2), json_build_object('line', n)
from c, generate_series(1, 20) as n;
update purchase set amount = amount + 1
where id in (select id from purchase order by random() limit 10);
delete from purchase
where id in (select id from purchase order by random() limit 5);
