with given as (
  select
    w.w1 as e1,
    cast(hashbytes('SHA2_256', cast(w.w2 as varbinary(max))) as binary(32)) as e2,
    w.w3 as e3,
    w.w4 as e4,
    w.w5 as e5,
    w.w6 as e6,
    w.w7 as e7,
    cast(hashbytes('SHA2_256', cast(w.w8 as varbinary(max))) as binary(32)) as e8,
    cast(hashbytes('SHA2_256', cast(w.w9 as varbinary(max))) as binary(32)) as e9,
    cast(hashbytes('SHA2_256', cast(cast(w.w10 as varchar(max)) as varbinary(max))) as binary(32)) as e10,
    cast(hashbytes('SHA2_256', cast(cast(w.w11 as nvarchar(max)) as varbinary(max))) as binary(32)) as e11,
    cast(hashbytes('SHA2_256', cast(cast(w.w12 as nvarchar(max)) as varbinary(max))) as binary(32)) as e12,
    cast(hashbytes('SHA2_256', cast(cast(w.w13 as nvarchar(max)) as varbinary(max))) as binary(32)) as e13,
    cast(hashbytes('SHA2_256', cast(cast(w.w14 as nvarchar(max)) as varbinary(max))) as binary(32)) as e14,
    cast(hashbytes('SHA2_256', cast(cast(w.w15 as varbinary(max)) as varbinary(max))) as binary(32)) as e15,
    w.w16 as e16,
    w.w17 as e17,
    w.w18 as e18,
    w.w19 as e19,
    w.w20 as e20,
    w.w21 as e21,
    cast(hashbytes('SHA2_256', cast(w.w22 as varbinary(max))) as binary(32)) as e22,
    cast(hashbytes('SHA2_256', cast(w.w23 as varbinary(max))) as binary(32)) as e23,
    w.w24 as e24,
    case when w.w25 is null then 0 else 1 end as e25,
    row_number() over (partition by w.w1, cast(hashbytes('SHA2_256', cast(w.w2 as varbinary(max))) as binary(32)), w.w3, w.w4, w.w5, w.w6, w.w7, cast(hashbytes('SHA2_256', cast(w.w8 as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(w.w9 as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(w.w10 as varchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(w.w11 as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(w.w12 as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(w.w13 as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(w.w14 as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(w.w15 as varbinary(max)) as varbinary(max))) as binary(32)), w.w16, w.w17, w.w18, w.w19, w.w20, w.w21, cast(hashbytes('SHA2_256', cast(w.w22 as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(w.w23 as varbinary(max))) as binary(32)), w.w24, case when w.w25 is null then 0 else 1 end order by (select null)) as place
  from (
    select
      cast(v.c1 as uniqueidentifier) as w1,
      convert(varbinary(16), v.c2, 2) as w2,
      cast(v.c3 as bit) as w3,
      cast(v.c4 as tinyint) as w4,
      cast(v.c5 as money) as w5,
      cast(v.c6 as real) as w6,
      cast(v.c7 as float(53)) as w7,
      cast(v.c8 collate Latin1_General_BIN2 as char(5)) as w8,
      cast(v.c9 collate Latin1_General_BIN2 as varchar(8000)) as w9,
      cast(v.c10 collate Latin1_General_BIN2 as varchar(max)) as w10,
      cast(v.c11 collate Latin1_General_BIN2 as nvarchar(max)) as w11,
      cast(v.c12 collate Latin1_General_BIN2 as nvarchar(max)) as w12,
      cast(v.c13 collate Latin1_General_BIN2 as nvarchar(max)) as w13,
      convert(xml, v.c14, 1) as w14,
      convert(varbinary(max), v.c15, 2) as w15,
      cast(v.c16 as date) as w16,
      cast(v.c17 as time(3)) as w17,
      cast(v.c18 as datetime) as w18,
      cast(v.c19 as smalldatetime) as w19,
      cast(v.c20 as datetime2(7)) as w20,
      cast(v.c21 as datetimeoffset(6)) as w21,
      case when v.c22 is null then null else geometry::STGeomFromText(substring(v.c22, charindex(';', v.c22) + 1, len(v.c22)), cast(left(v.c22, charindex(';', v.c22) - 1) as int)) end as w22,
      case when v.c23 is null then null else geography::STGeomFromText(substring(v.c23, charindex(';', v.c23) + 1, len(v.c23)), cast(left(v.c23, charindex(';', v.c23) - 1) as int)) end as w23,
      case when v.c24 is null then null else hierarchyid::Parse(v.c24) end as w24,
      null as w25
    from openjson(@rows) with (
  c1 nvarchar(64) '$[0]',
  c2 nvarchar(4000) '$[1]',
  c3 nvarchar(64) '$[2]',
  c4 nvarchar(64) '$[3]',
  c5 nvarchar(64) '$[4]',
  c6 nvarchar(64) '$[5]',
  c7 nvarchar(64) '$[6]',
  c8 nvarchar(4000) '$[7]',
  c9 nvarchar(max) '$[8]',
  c10 nvarchar(max) '$[9]',
  c11 nvarchar(max) '$[10]',
  c12 nvarchar(max) '$[11]',
  c13 nvarchar(max) '$[12]',
  c14 nvarchar(max) '$[13]',
  c15 nvarchar(max) '$[14]',
  c16 nvarchar(64) '$[15]',
  c17 nvarchar(64) '$[16]',
  c18 nvarchar(64) '$[17]',
  c19 nvarchar(64) '$[18]',
  c20 nvarchar(64) '$[19]',
  c21 nvarchar(64) '$[20]',
  c22 nvarchar(max) '$[21]',
  c23 nvarchar(max) '$[22]',
  c24 nvarchar(4000) '$[23]',
  c25 nvarchar(max) '$[24]'
) as v
  ) as w
), held as (
  select
    t.[id] as e1,
    cast(hashbytes('SHA2_256', cast(t.[bin] as varbinary(max))) as binary(32)) as e2,
    t.[bit] as e3,
    t.[tiny] as e4,
    t.[money] as e5,
    t.[real] as e6,
    t.[float] as e7,
    cast(hashbytes('SHA2_256', cast(t.[char] as varbinary(max))) as binary(32)) as e8,
    cast(hashbytes('SHA2_256', cast(t.[long] as varbinary(max))) as binary(32)) as e9,
    cast(hashbytes('SHA2_256', cast(cast(t.[text] as varchar(max)) as varbinary(max))) as binary(32)) as e10,
    cast(hashbytes('SHA2_256', cast(cast(t.[ntext] as nvarchar(max)) as varbinary(max))) as binary(32)) as e11,
    cast(hashbytes('SHA2_256', cast(cast(t.[max] as nvarchar(max)) as varbinary(max))) as binary(32)) as e12,
    cast(hashbytes('SHA2_256', cast(cast(t.[doc] as nvarchar(max)) as varbinary(max))) as binary(32)) as e13,
    cast(hashbytes('SHA2_256', cast(cast(t.[xml] as nvarchar(max)) as varbinary(max))) as binary(32)) as e14,
    cast(hashbytes('SHA2_256', cast(cast(t.[image] as varbinary(max)) as varbinary(max))) as binary(32)) as e15,
    t.[date] as e16,
    t.[time] as e17,
    t.[old] as e18,
    t.[older] as e19,
    t.[new] as e20,
    t.[zoned] as e21,
    cast(hashbytes('SHA2_256', cast(t.[place] as varbinary(max))) as binary(32)) as e22,
    cast(hashbytes('SHA2_256', cast(t.[where] as varbinary(max))) as binary(32)) as e23,
    t.[node] as e24,
    case when t.[any] is null then 0 else 1 end as e25,
    row_number() over (partition by t.[id], cast(hashbytes('SHA2_256', cast(t.[bin] as varbinary(max))) as binary(32)), t.[bit], t.[tiny], t.[money], t.[real], t.[float], cast(hashbytes('SHA2_256', cast(t.[char] as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(t.[long] as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[text] as varchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[ntext] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[max] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[doc] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[xml] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[image] as varbinary(max)) as varbinary(max))) as binary(32)), t.[date], t.[time], t.[old], t.[older], t.[new], t.[zoned], cast(hashbytes('SHA2_256', cast(t.[place] as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(t.[where] as varbinary(max))) as binary(32)), t.[node], case when t.[any] is null then 0 else 1 end order by (select null)) as place
  from [dbo].[Every [Thing]]] as t
  where exists (
    select 1 from given as g
    where exists (select t.[id], cast(hashbytes('SHA2_256', cast(t.[bin] as varbinary(max))) as binary(32)), t.[bit], t.[tiny], t.[money], t.[real], t.[float], cast(hashbytes('SHA2_256', cast(t.[char] as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(t.[long] as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[text] as varchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[ntext] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[max] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[doc] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[xml] as nvarchar(max)) as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(cast(t.[image] as varbinary(max)) as varbinary(max))) as binary(32)), t.[date], t.[time], t.[old], t.[older], t.[new], t.[zoned], cast(hashbytes('SHA2_256', cast(t.[place] as varbinary(max))) as binary(32)), cast(hashbytes('SHA2_256', cast(t.[where] as varbinary(max))) as binary(32)), t.[node], case when t.[any] is null then 0 else 1 end intersect select g.e1, g.e2, g.e3, g.e4, g.e5, g.e6, g.e7, g.e8, g.e9, g.e10, g.e11, g.e12, g.e13, g.e14, g.e15, g.e16, g.e17, g.e18, g.e19, g.e20, g.e21, g.e22, g.e23, g.e24, g.e25)
  )
)
delete from held
where exists (
  select 1 from given as g
  where g.place = held.place
    and exists (select held.e1, held.e2, held.e3, held.e4, held.e5, held.e6, held.e7, held.e8, held.e9, held.e10, held.e11, held.e12, held.e13, held.e14, held.e15, held.e16, held.e17, held.e18, held.e19, held.e20, held.e21, held.e22, held.e23, held.e24, held.e25 intersect select g.e1, g.e2, g.e3, g.e4, g.e5, g.e6, g.e7, g.e8, g.e9, g.e10, g.e11, g.e12, g.e13, g.e14, g.e15, g.e16, g.e17, g.e18, g.e19, g.e20, g.e21, g.e22, g.e23, g.e24, g.e25)
);
