set cluster setting kv.rangefeed.enabled = true;
create database if not exists shop;
create table if not exists shop.public.customer (
  id int8 primary key default unique_rowid(),
  name text not null,
  joined_at timestamptz not null default now()
);
create table if not exists shop.public.purchase (
  id int8 primary key default unique_rowid(),
  customer_id int8 not null references shop.public.customer (id),
  amount decimal(12, 2) not null,
  note jsonb
);
