dbcc checkident (N'[dbo].[serial]', reseed) with no_infomsgs;
