create table customer (
  id int8 primary key generated always as identity,
  name text not null,
  joined_at timestamptz not null default now()
);
create table purchase (
  id int8 primary key generated always as identity,
  customer_id int8 not null references customer (id),
  amount numeric(12, 2) not null,
  note jsonb
);
